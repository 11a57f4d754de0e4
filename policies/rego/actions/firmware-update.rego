# METADATA
# title: Update firmware
# description: >-
#   Never allowed by policy alone. The version must be approved for the version that the device runs (data/firmware.json) and the
#   group's maintenance window open (data/maintenance.json, UTC); then two people in charge of the plant approve and the agent's
#   host is attested. The gateway checks right before the step that the device still runs the version it was decided for.
package writ.actions["firmware-update"]

import data.writ.lib.clock
import data.writ.lib.reason
import data.writ.lib.state

# One device at a time: the decision binds the version that it runs now.
allow if count(input.targets) == 1

# METADATA
# title: Firmware is updated on one device at a time.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if count(input.targets) > 1

# METADATA
# title: A firmware update takes a version and, if wished, its sha256, and nothing else.
# custom:
#   code: params_out_of_bounds
deny contains reason.of(rego.metadata.rule()) if not params_fit

# METADATA
# title: This firmware version is not in the table of approved firmware.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if {
	params_fit
	not image
}

# METADATA
# title: The digest of the firmware is not the one in the table of approved firmware.
# custom:
#   code: params_out_of_bounds
deny contains reason.of(rego.metadata.rule()) if {
	image
	input.intent.params.sha256
	not digest_fits
}

# METADATA
# title: The device has not reported its state lately, so the firmware that it runs is unknown.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if not state.known

# METADATA
# title: This firmware version is not approved for the version that the device runs.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if {
	image
	state.known
	not version_fits
}

# METADATA
# title: No maintenance window of the device's group is open now.
# custom:
#   code: policy_denied
deny contains reason.of(rego.metadata.rule()) if not window_open

params_fit if {
	is_string(input.intent.params.version)
	every name, _ in input.intent.params {
		name in {"version", "sha256"}
	}
}

digest_fits if input.intent.params.sha256 == image.sha256

version_fits if runs in image.from

window_open if clock.within(windows)

image := data.firmware.approved[input.intent.params.version]

runs := state.value("firmware")

windows := object.get(data.maintenance.groups, input.target.group, data.maintenance.other_groups)

terms := {
	"ttl_s": 600,
	"stop_on_failure": true,
	"approvals": data.firmware.approvals,
	"attestation": data.firmware.attestation,
	"bind": {"network": data.config.networks, "device_state": {"firmware": runs}},
}
