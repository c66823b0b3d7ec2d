"""Emergencies: incidents, who is on call, attempts to reach them, and the human answer."""
