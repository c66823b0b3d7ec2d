"""Which tables are which record class and how each is disposed of; what the retention package works on."""
