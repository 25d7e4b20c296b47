// A small picture of a photo. The photo is decoded and scaled away from the page, which stays smooth.

const SIDE = 192;

/** The address of a small picture of `file`; `null` if this browser cannot read it. */
export async function thumbnail(file) {
  try {
    const bitmap = await createImageBitmap(file, { resizeWidth: SIDE, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.8));
    return blob && URL.createObjectURL(blob);
  } catch {
    return null;
  }
}
