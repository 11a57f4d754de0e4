package writ.tests.params

import data.writ.lib.params

bounds := {
	"speed": {"min": 0, "max": 100},
	"cycles": {"min": 1, "max": 10, "whole": true},
	"unit": {"one_of": ["celsius", "kelvin"]},
}

request(given) := {"intent": {"params": given}}

test_values_on_the_bounds_are_within if {
	params.within(bounds) with input as request({"speed": 0, "cycles": 10, "unit": "kelvin"})
	params.within(bounds) with input as request({"speed": 100})
	params.within(bounds) with input as request({"speed": 0.5})
	params.within(bounds) with input as request({})
}

test_values_beyond_the_bounds_are_not if {
	every given in [
		{"speed": -1},
		{"speed": 100.1},
		{"speed": "50"},
		{"speed": null},
		{"speed": [50]},
		{"cycles": 1.5},
		{"unit": "fahrenheit"},
		{"unit": 3},
	] {
		not params.within(bounds) with input as request(given)
	}
}

test_a_parameter_without_bounds_is_not_within if not params.within(bounds) with input as request({"colour": "red"})

test_all_names_must_be_given if {
	params.given(["speed"]) with input as request({"speed": false})
	params.given([]) with input as request({})
	not params.given(["speed", "unit"]) with input as request({"speed": 1})
}
