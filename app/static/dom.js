// Small helpers to build documents. Text is always text: nothing here, or anywhere, parses HTML.

export const $ = (id) => document.getElementById(id);

/** An element with its properties, and children where they are not null. */
export function make(tag, properties = {}, ...children) {
  const { data = {}, role, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, data);
  if (role) element.setAttribute("role", role);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Show a picture of this page's own; its address is given up once it has been read. */
export function showFile(image, file) {
  const address = URL.createObjectURL(file);
  for (const event of ["load", "error"]) image.addEventListener(event, () => URL.revokeObjectURL(address), { once: true });
  image.src = address;
}

const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SHIELD = "M12 2.5 4.5 5.2v6c0 4.6 3 8.6 7.5 10.3 4.5-1.7 7.5-5.7 7.5-10.3v-6z";
const MARKS = {
  // each has a shape of its own, so that nobody needs its colour
  unsafe: ["M12 3 1.8 20.5h20.4z", "M12 9.5v5M12 17.4v.2"],
  partly: [SHIELD, "M12 7.5v5M12 15.4v.2"],
  holds: [SHIELD, "m8.2 11.8 2.7 2.8 5-5.2"],
  nobody: ["M12 2.5a9.5 9.5 0 1 0 .01 0z", "M12 11v6M12 7.4v.2"],
  unknown: ["M12 2.5a9.5 9.5 0 1 0 .01 0z", "M9.3 9.2c.5-3.1 5.4-2.9 5.4.1 0 2-2.7 2.2-2.7 4.4M12 17v.2"],
  refused: ["M7.9 2.5h8.2l5.4 5.4v8.2l-5.4 5.4H7.9l-5.4-5.4V7.9z", "m8.8 8.8 6.4 6.4M15.2 8.8l-6.4 6.4"],
};

/** A mark beside a sentence that says the same. */
export function mark(name) {
  const [shape, sign] = MARKS[name];
  const picture = drawn("svg", { viewBox: "0 0 24 24", class: `mark mark-${name}`, "aria-hidden": "true" });
  picture.append(drawn("path", { d: shape, class: "shape" }), drawn("path", { d: sign, class: "sign" }));
  return picture;
}

/** Say something to people who listen to the page. */
export function announce(text) {
  $("said").textContent = text;
}

/** A button that asks to be pressed twice, the second time within a few seconds. A double click is one press. */
export function twice(button, question, act) {
  const text = button.textContent;
  let timer = 0;
  const calm = () => {
    clearTimeout(timer);
    timer = 0;
    button.textContent = text;
    button.classList.remove("sure");
  };
  button.addEventListener("click", (event) => {
    if (timer && event.detail > 1) return;
    if (timer) {
      calm();
      act();
      return;
    }
    button.textContent = question;
    button.classList.add("sure");
    timer = setTimeout(calm, 6000);
  });
  button.addEventListener("blur", calm);
  return button;
}
