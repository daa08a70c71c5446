"""The one error of a show."""


class Failure(Exception):
    """Something that must not happen, in one sentence, and the log lines that say more."""

    def __init__(self, message, log_lines=()):
        super().__init__(message)
        self.log_lines = list(log_lines)
