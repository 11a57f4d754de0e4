# METADATA
# title: Change configuration
# description: >-
#   Each parameter is a setting and its new value; a setting that is not in data/config.json is refused, as is a value out of its
#   bounds. The gateway must reach the device inside the plant's networks.
package writ.actions["config-change"]

import data.writ.lib.params
import data.writ.lib.reason
import data.writ.lib.state

allow if count(input.intent.params) > 0

# METADATA
# title: A setting is not one that may be changed, or its value is out of bounds.
# custom:
#   code: params_out_of_bounds
deny contains reason.of(rego.metadata.rule()) if not params_fit

# METADATA
# title: The device has not reported its state lately, and an unknown device is not configured.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if not state.known

# METADATA
# title: The device is not reached inside the plant's networks.
# custom:
#   code: constraint_failed
deny contains reason.of(rego.metadata.rule()) if {
	state.known
	not reached_inside
}

params_fit if params.within(data.config.bounds)

reached_inside if state.reached_within(data.config.networks)

terms := {"ttl_s": 120, "max_run_s": 120, "stop_on_failure": true, "bind": {"network": data.config.networks}}
