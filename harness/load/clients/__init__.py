"""One client a protocol: each times connecting, acquiring and service, and hides nothing."""
