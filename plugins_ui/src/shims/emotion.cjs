module.exports = globalThis.EmotionReact;
