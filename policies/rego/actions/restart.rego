# METADATA
# title: Restart
# description: >-
#   A device is restarted only from a state that is known to be safe for the people beside it (data/restart.json), and the
#   gateway looks again right before the step.
package writ.actions.restart

import data.writ.lib.reason
import data.writ.lib.state

allow := true

# METADATA
# title: The device has not reported its state lately, and an unknown state is not safe to restart from.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if not state.known

# METADATA
# title: The device is in a mode in which a restart is not safe.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if {
	state.known
	not mode_safe
}

# METADATA
# title: A guard of the device is open.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if {
	some member, wanted in data.restart.guards
	state.value(member) != wanted
}

mode_safe if state.one_of("mode", data.restart.modes)

terms := object.union({"ttl_s": 120, "max_run_s": 120, "stop_on_failure": true}, binding)

# The guards that every target has: what is bound holds for each of them.
guards[member] := wanted if {
	some member, wanted in data.restart.guards
	every target in input.targets {
		target.report.state[member] == wanted
	}
}

default binding := {}

binding := {"bind": {"device_state": guards}} if count(guards) > 0
