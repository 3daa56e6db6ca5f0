"""Where it runs: everything that imports Ray."""

import os

# Ray reads these once, when it is first imported; every module of this room passes through here.
os.environ.setdefault("RAY_AUTH_MODE", "token")  # or a cluster runs the code of whoever reaches its port
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's coming default; silences a warning
os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
# Workers inherit it. Threads that spin while they wait take the cores from those they wait for: beside one
# other busy process, a scout with two threads was 20 times slower (2 cores, libgomp).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
