"""All checks, in the order in which preflight runs and prints them."""

from csi_migration.decide import checks_outside, checks_set, checks_volumes
from csi_migration.decide.preflight import CHECKS, blockers, findings

__all__ = ["CHECKS", "blockers", "checks_outside", "checks_set", "checks_volumes", "findings"]
