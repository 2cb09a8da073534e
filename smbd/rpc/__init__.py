"""DCE/RPC services on named pipes."""
