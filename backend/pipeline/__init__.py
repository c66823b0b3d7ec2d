"""The use cases that cross domains: a message's way, a press, a decision. Each writes its commit out once."""
