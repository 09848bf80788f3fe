// All that the page knows, in one place, and who wants to hear when it changes.

const state = {
  model: null,      // what /v1/model says
  frame: null,      // {blob, name, width, height, bitmap}: bitmap is null where the browser cannot decode
  result: null,     // {width, height, mask, confidence, classes, mean, times, total, sent}: made in mask.js
  live: false,      // frames come from the camera, one after the other
  view: 'overlay',  // or classes, confidence, frame
  opacity: 0.5,
  wipe: null,       // null, or where the frame ends and the labels begin, as a share of what is seen of the picture
  hidden: new Set(),  // ids of classes that are not shown
  lit: null,        // the id of the class that is pointed at in the list
};

// Events: model, frame, result, view (anything about how it is shown), live.
const hearers = new Map();

function on(event, hear) {
  hearers.set(event, [...(hearers.get(event) ?? []), hear]);
}

function tell(event) {
  for (const hear of hearers.get(event) ?? []) hear();
}

function change(what) {
  Object.assign(state, what);
  tell('view');
}

// A class by its id; ids that the model does not list (void, mostly) get a name, too.
function classOf(id) {
  const known = state.model?.classes.find((one) => one.id === id) ?? state.result?.classes.find((one) => one.id === id);
  return known ?? { id, name: `class ${id}`, color: '#808080' };
}
