"""Archives of faces from strangers: everything they claim is checked before anything is kept.

Nothing is ever unpacked to disk, neither here nor by a training, which reads members through the listing. A name that
would lead outside a folder still gets the whole archive refused: such an archive is malicious.
"""

from app.archives.apart import inspect
from app.archives.contents import MAX_MEMBERS, MAX_RATIO, Contents, check_archive

__all__ = ["MAX_MEMBERS", "MAX_RATIO", "Contents", "check_archive", "inspect"]
