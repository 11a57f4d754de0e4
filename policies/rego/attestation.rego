# METADATA
# title: Attestation of the agent's host
# description: >-
#   Good is a result about this agent, for the key that signed the intent, under the profile demanded, affirming throughout, not
#   expired and no older than demanded.
package writ.attestation

import data.writ.lib.reason

met(terms) if not terms.attestation

met(terms) if {
	some result in results(terms)
	good(result)
	fresh(result, terms)
}

results(terms) := [result |
	some result in input.attestations
	result.subject == concat("/", ["agent", input.agent.id])
	result.profile == terms.attestation.profile
]

good(result) if {
	result.affirming == true
	result.jkt == input.intent.kid
}

fresh(result, terms) if {
	input.now < result.exp
	input.now - result.iat <= terms.attestation.max_age_s
}

reasons(terms) := (missing(terms) | failed(terms)) | stale(terms)

# METADATA
# title: The agent's host must be attested first.
# custom:
#   code: attestation_required
missing(terms) := {reason.of(rego.metadata.rule()) | count(results(terms)) == 0}

# METADATA
# title: The attestation of the agent's host is not affirming, or is for another key than the one that signed the request.
# custom:
#   code: attestation_failed
failed(terms) := {reason.of(rego.metadata.rule()) |
	some result in results(terms)
	not good(result)
}

# METADATA
# title: The attestation of the agent's host is too old.
# custom:
#   code: attestation_stale
stale(terms) := {reason.of(rego.metadata.rule()) |
	some result in results(terms)
	good(result)
	not fresh(result, terms)
}
