package writ.tests.residency

import data.writ.lib.residency

here := {"region": "eusc-de-east-1"}

classes := {"personal": ["eusc-de-east-1"], "operational": ["eusc-de-east-1", "us-east-1"]}

chain(custom) := [
	{"path": ["writ"]},
	{"path": ["writ"], "annotations": {"title": "its package", "custom": custom}},
]

test_without_annotations_any_jurisdiction_will_do if {
	residency.permitted(chain({})) with input as here
	residency.permitted(chain({"code": "policy_denied"})) with input as here
}

test_a_list_forces_the_jurisdiction if {
	residency.permitted(chain({"residency": ["us-east-1", "eusc-de-east-1"]})) with input as here
	not residency.permitted(chain({"residency": ["us-east-1"]})) with input as here
	not residency.permitted(chain({"residency": []})) with input as here
}

test_a_class_of_data_forces_the_jurisdiction if {
	residency.permitted(chain({"data_class": "personal"})) with input as here with data.residency.classes as classes
	not residency.permitted(chain({"data_class": "personal"})) with input as {"region": "us-east-1"}
		with data.residency.classes as classes
}

test_a_class_without_a_table_is_permitted_nowhere if {
	not residency.permitted(chain({"data_class": "secret"})) with input as here with data.residency.classes as classes
}

test_list_and_class_hold_together if {
	both := {"residency": ["us-east-1"], "data_class": "personal"}
	not residency.permitted(chain(both)) with input as here with data.residency.classes as classes
	not residency.permitted(chain(both)) with input as {"region": "us-east-1"} with data.residency.classes as classes
}
