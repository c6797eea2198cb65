"""The emulated platform: plays Sinch over HTTP against any callback server. It sees the wire and nothing behind it."""
