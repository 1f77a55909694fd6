// Hands and eyes on the API's page, as somebody has them who uses it.

const until = async (found) => {
  for (let look = 0; look < 2400; look++) {
    const what = found();
    if (what) return what;
    await new Promise((again) => setTimeout(again, 50));
  }
  throw new Error(`not on the page: ${found}`);
};

// The page keeps its own state of a field and looks at a change only when it is told of it.
const fill = (field, text) => {
  const value = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value");
  value.set.call(field, text);
  field.dispatchEvent(new Event("input", { bubbles: true }));
};

// Opens an operation, sends what stands there or `body`, and reads the answer.
const attempt = async (operation, body) => {
  const block = await until(() => document.querySelector(`[id$="-${operation}"]`));
  block.querySelector(".opblock-summary-control").click();
  const execute = await until(() => block.querySelector(".execute"));
  if (body) fill(block.querySelector(".body-param__text"), JSON.stringify(body));
  execute.click();
  const answer = await until(() => block.querySelector(".live-responses-table .response"));
  const text = await until(() => answer.querySelector(".highlight-code code"));
  return {
    status: answer.querySelector(".response-col_status").innerText.trim(),
    body: JSON.parse(text.innerText),
  };
};

const authorise = async (token) => {
  document.querySelector(".auth-wrapper .authorize").click();
  fill(await until(() => document.querySelector(".modal-ux input")), token);
  document.querySelector(".modal-ux .auth.authorize").click();
  await until(() => document.querySelector('.modal-ux [aria-label="Remove authorization"]'));
  document.querySelector(".modal-ux .close-modal").click();
  return true;
};
