# METADATA
# title: Read telemetry
# description: Reading changes nothing, so it is allowed of every device that offers it, also while its state is unknown.
package writ.actions["telemetry-read"]

allow := true

terms := {"ttl_s": 300, "max_run_s": 60}
