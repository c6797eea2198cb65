"""Put a document of rules in force. Every version stays: calls name the one that judged them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from callgate.errors import Conflict, NotFound
from callgate.service.books import Books, Keys
from callgate.service.rule_book import RulesHead, RulesVersion


@dataclass(frozen=True, kw_only=True)
class ApplyRules:
    """`document` has been checked. The one that is in force already changes nothing. `base`, where it is given, is the
    version that the document was made from.
    """

    application: str
    document: str
    who: str
    now: datetime
    base: int | None = None

    def keys(self) -> Keys:
        return Keys(applications=(self.application,), rules=(self.application,))

    def run(self, books: Books) -> RulesHead:
        """Raises `NotFound`, `Conflict` when another version than `base` is in force by now."""
        if books.applications.get(self.application) is None:
            raise NotFound(f"there is no application {self.application}")
        before = books.rules.get(self.application)
        version = 0 if before is None else before.version
        if self.base is not None and self.base != version:
            raise Conflict(
                f"version {version} of the rules is in force, not {self.base}: somebody changed them meanwhile"
            )
        digest = hashlib.sha256(self.document.encode()).hexdigest()
        if before is not None and before.digest == digest:
            return before
        head = RulesHead(application=self.application, version=version + 1, digest=digest)
        books.rules.put(self.application, head)
        books.rules_versions.add(
            RulesVersion(
                application=self.application,
                version=head.version,
                document=self.document,
                applied_at=self.now,
                applied_by=self.who,
            )
        )
        return head
