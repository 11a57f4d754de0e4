# METADATA
# title: What the tests start from
# description: >-
#   Test packages lie under `writ.tests`, not beside the workflows: `writ.actions` holds actions only, and rules there may not
#   refer to the decision.
package writ.tests.fixture

# Monday, 5 January 2026, 12:00 UTC.
noon := 1767614400

report := {
	"state": {"kind": "press", "mode": "running", "guard": "closed", "firmware": "2.4.1"},
	"address": "10.20.0.7",
	"observed_at": noon - 10,
}

target := {
	"id": "press-07",
	"group": "press-line",
	"jurisdiction": "eusc-de-east-1",
	"actions": ["config-change", "data-collect", "firmware-update", "restart", "telemetry-read"],
	"gateway_id": "gw-1",
	"report": report,
}

# An input that every ceiling permits, with one target: whatever the action, agent and device may do it.
for(action, params) := {
	"now": noon,
	"region": "eusc-de-east-1",
	"policy": {"version": 1, "bundle_sha256": "LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564"},
	"intent": {
		"id": "i-1",
		"digest": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
		"kid": "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols",
		"iat": noon - 1,
		"exp": noon + 300,
		"action": action,
		"params": params,
		"on_behalf_of": "alice",
		"delivery": "gateway",
		"targets": ["press-07"],
	},
	"agent": {"id": "agent-1", "version": 1, "users": ["alice"], "actions": [action], "groups": ["press-line"]},
	"targets": [object.union(target, {"actions": [action]})],
	"approvals": [],
	"attestations": [],
}

# The same input with other targets.
with_targets(request, targets) := object.union(request, {"targets": targets})

# A target whose report has other members in its state.
with_state(device, state) := object.union(device, {"report": {"state": state}})

approval(user, role, verdict) := {
	"digest": concat("-", ["approval-by", user]),
	"approver": concat("-", ["approver", user]),
	"user": user,
	"roles": [role],
	"verdict": verdict,
	"iat": noon - 20,
	"exp": noon + 300,
}

attestation := {
	"digest": "attestation",
	"subject": "agent/agent-1",
	"profile": "agent-host",
	"jkt": "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols",
	"iat": noon - 60,
	"exp": noon + 600,
	"affirming": true,
}

# The codes of a decision's reasons.
codes(decision) := {reason.code | some reason in decision.reasons}

# The texts of a decision's reasons.
messages(decision) := {reason.message | some reason in decision.reasons}
