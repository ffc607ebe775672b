"""What is compared, by the names that the tables have."""

REPLICA, WHOLE_RUN = "tool, --window replica", "tool, --window run"
FLOOR, RUNBOOK, COPY = "floor: delete pod", "runbook", "copy"
ONE_FILE = "runbook, one file"
# In this order, again and again: what changes on the machine meanwhile meets all of them.
METHODS = (FLOOR, RUNBOOK, COPY, REPLICA, WHOLE_RUN)
# Compared more often, on sets of one: how long a claim takes to bind is chance.
TRIALS = (RUNBOOK, ONE_FILE, REPLICA)
# Those whose calls are a client's own: the floor's and copying's are the benchmark's.
CLIENTS = (RUNBOOK, REPLICA, WHOLE_RUN)
