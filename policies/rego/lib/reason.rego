# METADATA
# title: Reasons
# description: >-
#   A reason's code and text are the annotations of the rule that gives it (`custom.code` and `title`), never anything from the
#   input: `deny contains reason.of(rego.metadata.rule()) if …`. The bundle lists them all, and a reason that is not in that
#   list makes the decision unreadable, which is a denial.
package writ.lib.reason

of(annotations) := {"code": annotations.custom.code, "message": annotations.title}
