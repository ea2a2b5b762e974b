"""The measured WebSocket client: users who listen, publish, and come back after every drop."""
