"""Where the configuration comes from, and reading it again.

Kept by every process: the path and the settings of the command line, which stay in force over all reloads.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from smbd import log
from smbd.config.loadparm import Config, ConfigError, load_config
from smbd.config.substitute import SubstContext
from vfs.posix.credentials import as_root

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """What to load and how to log.

    Attributes:
        path: smb.conf.
        overrides: settings of the command line.
        log_target: `log.FILE`, `log.STDOUT` or `log.STDERR`.
    """

    path: str
    overrides: Sequence[tuple[str, str]] = ()
    log_target: str = log.FILE

    def load(self, context: SubstContext | None = None) -> Config:
        """Load the configuration.

        Raises:
            ConfigError: it cannot be used.
        """
        return load_config(self.path, self.overrides, context)

    def reload(self, context: SubstContext | None = None) -> Config | None:
        """Load the configuration again; None, and the reasons in the log, if the one in force has to stay."""
        try:
            with as_root():  # a worker may be acting as its user just now
                config = self.load(context)
        except ConfigError as error:
            for problem in error.problems:
                _log.error("%s", problem)
            _log.error("%s was not reloaded: the configuration in force stays", self.path)
            return None
        for warning in config.warnings:
            _log.info("%s", warning)
        return config

    def log_options(self, config: Config, context: SubstContext | None = None) -> log.LogOptions:
        """Return how a process with this configuration logs."""
        return log.options_of(config, context, target=self.log_target)
