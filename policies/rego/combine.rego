# METADATA
# title: Demands put together
# description: >-
#   One decision holds for all targets, so the demands of all of them and of their floors are met at once: the shortest times,
#   the highest counts, the roles and networks they have in common, the states and redactions of all. Demands that cannot be
#   met together are conflicts, which deny.
package writ.combine

import data.writ.lib.reason

names := {"ttl_s", "max_uses", "max_run_s", "stop_on_failure", "approvals", "attestation", "bind", "redact"}

strictest(demands) := {name: term |
	some name in names
	term := together(name, values(name, demands))
}

conflicts(demands) := {conflict |
	some conflict in [
		roles_conflict(values("approvals", demands)),
		profiles_conflict(values("attestation", demands)),
		networks_conflict(values("network", values("bind", demands))),
		states_conflict(values("device_state", values("bind", demands))),
	][_]
}

values(name, objects) := [value | some object in objects; value := object[name]]

together(name, found) := min(found) if name in {"ttl_s", "max_uses", "max_run_s"}

together("stop_on_failure", found) := true in found

together("approvals", found) := {
	"count": max(values("count", found)),
	"roles": sort(common(values("roles", found))),
	"expires_s": min(values("expires_s", found)),
} if {
	count(found) > 0
}

together("attestation", found) := {
	"profile": found[0].profile,
	"max_age_s": min(values("max_age_s", found)),
	"expires_s": min(values("expires_s", found)),
} if {
	count(found) > 0
}

together("bind", found) := bind if {
	bind := {name: value |
		some name in {"network", "device_state"}
		value := bound(name, values(name, found))
	}
	count(bind) > 0
}

together("redact", found) := sort(pointers) if {
	pointers := {pointer | some list in found; some pointer in list}
	count(pointers) > 0
}

bound("network", found) := sort(shared_networks(found)) if count(found) > 0

bound("device_state", found) := {name: value | some state in found; some name, value in state} if {
	count(found) > 0
	count(states_conflict(found)) == 0
}

common(lists) := {item | some item in lists[0]; every list in lists { item in list }}

# Two networks either contain one another or share no address, so what all lists share is made of their own members.
shared_networks(lists) := {network |
	some network in lists[_]
	every list in lists { covered(network, list) }
}

covered(network, list) if {
	some wider in list
	net.cidr_contains(wider, network)
}

# METADATA
# title: No approver role satisfies all demands for approval.
# custom:
#   code: policy_denied
roles_conflict(found) := {reason.of(rego.metadata.rule()) |
	count(found) > 0
	count(common(values("roles", found))) == 0
}

# METADATA
# title: The targets demand different attestation profiles.
# custom:
#   code: policy_denied
profiles_conflict(found) := {reason.of(rego.metadata.rule()) | count({profile | some profile in values("profile", found)}) > 1}

# METADATA
# title: The targets are bound to networks that share no address.
# custom:
#   code: policy_denied
networks_conflict(found) := {reason.of(rego.metadata.rule()) |
	count(found) > 0
	count(shared_networks(found)) == 0
}

# METADATA
# title: The targets are bound to device states that exclude one another.
# custom:
#   code: policy_denied
states_conflict(found) := {reason.of(rego.metadata.rule()) |
	some one in found
	some other in found
	some name, value in one
	other[name] != value
}
