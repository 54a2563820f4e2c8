"""Training what the package ships. Nothing here is imported by ``rag``."""
