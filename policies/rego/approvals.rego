# METADATA
# title: Approvals
# description: >-
#   An approval counts once per user, if the approver has one of the roles demanded, and never for the user on whose behalf the
#   intent is. One rejection by such an approver denies.
package writ.approvals

import data.writ.lib.reason

met(terms) if not terms.approvals

met(terms) if count(users(terms, "approve")) >= terms.approvals.count

users(terms, verdict) := {approval.user |
	some approval in input.approvals
	approval.verdict == verdict
	approval.user != input.intent.on_behalf_of
	some role in approval.roles
	role in terms.approvals.roles
}

# METADATA
# title: An approver has rejected this request.
# custom:
#   code: approval_rejected
rejections(terms) := {reason.of(rego.metadata.rule()) | count(users(terms, "reject")) > 0}

# METADATA
# title: People with the roles named must approve this request first.
# custom:
#   code: approval_required
reasons(terms) := {reason.of(rego.metadata.rule()) | not met(terms)}
