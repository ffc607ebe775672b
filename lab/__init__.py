"""A real control plane, a vCenter and the parts in between, to try the tool on.

Everything runs as plain processes on 127.0.0.1, without root and without
containers. Nothing in here imports the product, so that what the lab says
about the product rests on code of its own.
"""
