// Names of generators as people write them.

const NAMES = {
  stargan: "StarGAN",
  attentiongan: "AttentionGAN",
  attgan: "AttGAN",
  hisd: "HiSD",
  faceswap: "Face swap",
  latent_diffusion: "Latent diffusion",
  cyclegan: "CycleGAN",
  relighting: "Relighting",
};

/** An added generator has the name its administrator gave it. */
export const nameOf = (architecture) => (Object.hasOwn(NAMES, architecture) ? NAMES[architecture] : architecture);
