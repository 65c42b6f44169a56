"""The template saga: gives every template an embedding of its present version by the present
model.

    claim ──► the workflow, from the log ──► its text ──► a vector, kept beside it
                     └─► not public any more: the row goes      └─► no answer: later

A change of the model makes all of them due again. Whoever dies on the way does it again.
"""

import asyncio
import logging
from dataclasses import dataclass

from commands.embedding_port import EmbeddingFailed, EmbeddingRateLimited, EmbeddingRefused
from commands.ports import EventStore
from commands.sealing_port import KeyDestroyed
from commands.template_port import DueTemplate, Templates
from domain.errors import Unavailable
from domain.workflow_templates import template_text
from domain.workflows import Workflow
from sagas.embeddings import MeteredEmbeddings

log = logging.getLogger(__name__)

PAUSE_MIN_S = 5.0
PAUSE_MAX_S = 3600.0
# Far longer than a call takes; when it runs out all the same, the text is embedded twice.
LEASE_S = 120.0
# Another process may have embedded something by the model that it was started with.
RENEWED_EVERY_S = 300.0


@dataclass(slots=True)
class TemplateSaga:
    """poll_s: how often it is looked for templates when there was nothing to do."""

    templates: Templates
    embeddings: MeteredEmbeddings
    events: EventStore
    actor: str
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        monotonic_s = asyncio.get_running_loop().time
        renewed_s = float("-inf")
        while True:
            try:
                if monotonic_s() - renewed_s >= RENEWED_EVERY_S:
                    await self.templates.renew(self.embeddings.model)
                    renewed_s = monotonic_s()
                has_worked = await self.work_once()
            except Unavailable as error:
                log.warning("templates are embedded later: %s", error)
                has_worked = False
            if not has_worked:
                await asyncio.sleep(self.poll_s)

    async def work_once(self) -> bool:
        """One template. False: none is due."""
        due = await self.templates.claim(LEASE_S)
        if due is None:
            return False
        text = await self._text(due)
        if text is None:
            await self.templates.forget(due)
            return True
        try:
            vector = await self.embeddings.embed(
                due.tenant_id, text, purpose="template", actor=self.actor
            )
        except (EmbeddingFailed, EmbeddingRefused, EmbeddingRateLimited) as error:
            pause_s = min(PAUSE_MIN_S * 2.0 ** min(due.attempts_count - 1, 20), PAUSE_MAX_S)
            log.warning("template %s is embedded later: %s", due.workflow_id, error)
            await self.templates.failed(due, retry_in_s=pause_s, others_in_s=PAUSE_MIN_S)
            return True
        await self.templates.embedded(due, self.embeddings.model, vector)
        return True

    async def _text(self, due: DueTemplate) -> str | None:
        """None: nothing is offered. Of the present version, which may be newer than the one that is
        due: then that one comes again, with the same text.
        """
        try:
            workflow = await self.events.load(Workflow, due.workflow_id, due.tenant_id)
        except KeyDestroyed:
            return None
        if workflow is None:
            return None
        self.events.keep(workflow, due.tenant_id)
        content = workflow.text
        if workflow.is_deleted or not content.is_public:
            return None
        return template_text(content.name, content.description, content.definition)
