"""Review: signals merge into a case, a person claims it for a while, decides once, and the decision takes effect."""
