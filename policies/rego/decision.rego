# METADATA
# title: The decision about an intent
# description: >-
#   The one entry point. Every target is judged by itself (`writ.target`, which sees it as `input.target`), and the strictest
#   holds for all: one denial denies the intent, and the demands of all targets are met together. Whatever is not decided here,
#   an undefined result included, is a denial.
package writ

import data.writ.approvals
import data.writ.attestation
import data.writ.combine
import data.writ.lib.reason

# METADATA
# title: The decision
# entrypoint: true
decision := {"outcome": outcome, "reasons": sort(reasons), "obligations": obligations}

verdicts := [verdict |
	some target in input.targets
	verdict := data.writ.target.verdict with input.target as target
]

# A set first: targets of a kind make the same demands, and putting together takes pairs.
demands := [demand | some demand in {each | some verdict in verdicts; some each in verdict.demands}]

together := combine.strictest(demands)

denials contains denial if {
	some verdict in verdicts
	some denial in verdict.denials
}

denials contains conflict if some conflict in combine.conflicts(demands)

denials contains rejection if some rejection in approvals.rejections(together)

# METADATA
# title: The request names no target that could be judged.
# custom:
#   code: policy_denied
denials contains reason.of(rego.metadata.rule()) if not every_target_judged

every_target_judged if {
	count(verdicts) > 0
	count(verdicts) == count(input.targets)
}

# METADATA
# title: The terms of a workflow cannot be read.
# custom:
#   code: policy_denied
denials contains reason.of(rego.metadata.rule()) if not every_demand_kept

# A demand that is malformed or misspelt vanishes when demands are put together; without it the rest would be too lenient.
every_demand_kept if {
	every demand in demands {
		every name, _ in demand {
			_ = together[name]
		}
		every name, _ in object.get(demand, "bind", {}) {
			_ = together.bind[name]
		}
	}
}

default outcome := "deny"

outcome := "needs_approval" if {
	count(denials) == 0
	not approvals.met(together)
}

outcome := "needs_attestation" if {
	count(denials) == 0
	approvals.met(together)
	not attestation.met(together)
}

outcome := "allow" if {
	count(denials) == 0
	approvals.met(together)
	attestation.met(together)
}

reasons := denials if outcome == "deny"

reasons := approvals.reasons(together) if outcome == "needs_approval"

reasons := attestation.reasons(together) if outcome == "needs_attestation"

reasons := set() if outcome == "allow"

obligations := data.defaults.obligations if outcome == "deny"

obligations := together if outcome != "deny"
