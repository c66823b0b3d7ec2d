"""A city of live trips: drivers and riders who are real clients of the api, for demonstrations and replays."""
