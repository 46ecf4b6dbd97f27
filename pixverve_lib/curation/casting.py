"""Who plays the roles of Sec. 3.1.4 and 3.1.5 in a run: decided here and nowhere else."""
from dataclasses import replace

from pixverve_lib.models import embedded_roles, endpoint_roles, local_roles


def cast(run, boxes="", masks=""):
    """The ten roles of this run.  Returns (roles, lines that say who plays them and why).

    Embedded ones, unless PIXVERVE_CHAT_URL and PIXVERVE_CHAT_MODEL name an endpoint; it finds no masks, so that these
    stay embedded. boxes, masks: folder or hub id of an open-vocabulary detector, of SAM 2; empty: no such network.
    Raises EndpointError, WeightsMissing.
    """
    own = embedded_roles.roles()
    asked = endpoint_roles.from_environment(run.cache / "replies")
    roles = replace(asked, segment=own.segment) if asked else own
    if boxes:
        roles = replace(roles, find=local_roles.finder(boxes))
    if masks:
        roles = replace(roles, segment=local_roles.segmenter(masks))
    if asked:
        return roles, [f"{asked.tag.maker} answers; masks by {roles.segment.maker}, for a chat model draws none."]
    return roles, [f"Everything is said by the embedded roles ({own.tag.maker}), offline; boxes by "
                   f"{roles.find.maker}, masks by {roles.segment.maker}.",
                   "A model that understands pictures: set PIXVERVE_CHAT_URL and PIXVERVE_CHAT_MODEL, and run again."]
