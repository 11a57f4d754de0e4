package writ.tests.clock

import data.writ.lib.clock

# Monday, 5 January 2026, 12:00:59 UTC.
monday_noon := {"now": 1767614459}

test_weekday_and_minute_are_utc if {
	clock.weekday == 1 with input as monday_noon
	clock.minute_of_day == 720 with input as monday_noon
	clock.weekday == 4 with input as {"now": 0}
	clock.minute_of_day == 1439 with input as {"now": 86399}
}

test_a_window_holds_its_first_minute_and_not_its_end if {
	clock.within([{"days": [1], "from_minute": 720, "to_minute": 721}]) with input as monday_noon
	not clock.within([{"days": [1], "from_minute": 0, "to_minute": 720}]) with input as monday_noon
}

test_another_day_is_outside if {
	not clock.within([{"days": [0, 2], "from_minute": 0, "to_minute": 1440}]) with input as monday_noon
}

test_no_window_is_never_open if not clock.within([]) with input as monday_noon
