"""FAVOR+ attention, the drop-in for performer-pytorch's, and how it is computed on each device."""
