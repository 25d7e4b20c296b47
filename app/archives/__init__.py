"""Archives of faces from strangers: everything they claim is checked before anything of them is kept.

Nothing is ever unpacked to disk, here or by a training, which reads members by their listing. A name that would leave
a folder is still refused, with the whole archive: whoever made it means harm.
"""

from app.archives.apart import inspect
from app.archives.contents import MAX_MEMBERS, MAX_RATIO, Contents, check_archive

__all__ = ["MAX_MEMBERS", "MAX_RATIO", "Contents", "check_archive", "inspect"]
