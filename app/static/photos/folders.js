// What was dropped: files, and the pictures in folders, however deep.

/** All files of a drop. Those that lie in a folder are left out where they are no pictures. */
export async function dropped({ items, files }) {
  // both lists are emptied as soon as the drop has been dealt with
  const plain = [...files];
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const found = await Promise.all(entries.map((entry) => (entry.isDirectory ? within(entry) : fileOf(entry))));
  return found.flat();
}

async function within(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    // a browser tells some at a time
    const some = await new Promise((done) => reader.readEntries(done, () => done([])));
    if (!some.length) return found.flat();
    const files = await Promise.all(some.map((entry) => (entry.isDirectory ? within(entry) : fileOf(entry))));
    found.push(files.flat().filter(isPicture));
  }
}

const fileOf = (entry) => new Promise((done) => entry.file((file) => done([file]), () => done([])));

/** Browsers do not know the type of every picture, such as HEIC. */
const isPicture = ({ name, type }) => !name.startsWith(".") && (type.startsWith("image/") || /\.(avif|hei[cf]|tiff?)$/i.test(name));
