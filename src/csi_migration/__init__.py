"""Moves a StatefulSet's volumes from the in-tree vSphere plugin to the vSphere CSI driver."""
