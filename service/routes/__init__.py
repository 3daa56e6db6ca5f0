"""Thin routes: a signature that reads as a sentence, a check, one call, an answer.

A module's `router` is `APIRouter(prefix="/v1", tags=[...])`; service/app.py lists the modules, and
adds the problems that any route may answer with (400, 401, 403, 413, 422, 500, 503, 507).
"""
