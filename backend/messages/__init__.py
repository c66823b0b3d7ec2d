"""Messages, events, receipts, templates: what was said in a trip and who has heard it."""
