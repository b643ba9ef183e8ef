// What html-validate finds in pages, as JSON: `node validate.mjs PAGE.html …`
import { HtmlValidate, StaticConfigLoader } from "html-validate";

const config = {
  root: true,
  extends: ["html-validate:recommended", "html-validate:a11y"],
  rules: {
    // A title names its experiment, and what that is called is for its author to say.
    "long-title": "off",
  },
};
const { results } = await new HtmlValidate(new StaticConfigLoader(config)).validateMultipleFiles(process.argv.slice(2));
const found = results.flatMap(({ filePath, messages }) =>
  messages.map(({ ruleId, message, line }) => ({ page: filePath, rule: ruleId, message, line })),
);
process.stdout.write(JSON.stringify(found));
