"""The commands about what begins runs by itself; a part of commands/catalogue.py."""

from commands.decisions import Command, Handler, entry
from commands.trigger_fires import (
    BackfillTrigger,
    FireDueTrigger,
    FireTrigger,
    backfill_trigger,
    fire_due_trigger,
    fire_trigger,
)
from commands.trigger_webhooks import (
    ReceiveDelivery,
    RotateTrigger,
    receive_delivery,
    rotate_trigger,
)
from commands.triggers import (
    ChangeTrigger,
    CreateTrigger,
    DeleteTrigger,
    PauseTrigger,
    ResumeTrigger,
    change_trigger,
    create_trigger,
    delete_trigger,
    pause_trigger,
    resume_trigger,
)

TRIGGERS: tuple[tuple[type[Command], Handler], ...] = (
    entry(CreateTrigger, create_trigger),
    entry(ChangeTrigger, change_trigger),
    entry(DeleteTrigger, delete_trigger),
    entry(PauseTrigger, pause_trigger),
    entry(ResumeTrigger, resume_trigger),
    entry(FireTrigger, fire_trigger),
    entry(FireDueTrigger, fire_due_trigger),
    entry(BackfillTrigger, backfill_trigger),
    entry(RotateTrigger, rotate_trigger),
    entry(ReceiveDelivery, receive_delivery),
)
