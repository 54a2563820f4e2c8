"""Start the chat page: ``python app.py`` (``python app.py --help`` for the flags)."""

from rag.page import main

if __name__ == "__main__":
    raise SystemExit(main())
