"""The Litestar backend: trip chat, review, emergencies, evidence. Nothing imports it but its own processes."""
