// docs was written for marked 4: a heading's renderer gets the text, and makes
// an id of it to link to. With marked 15, which passes a token, it breaks.
'use strict';

const { marked } = require('marked');

marked.use({
  renderer: {
    heading(text, level, raw, slugger) {
      const id = slugger.slug(raw);
      return `<h${level} id="${id}"><a href="#${id}">${text}</a></h${level}>\n`;
    },
  },
});

module.exports = (text) => marked.parse(text);
