"""vCenter: its configuration, session, inventory, disks and CNS.

The only layer that imports pyVmomi, and within it only `_bindings` does, so
that reading a configuration does not pay for pyVmomi's import.
"""
