/* The search of the site without a server: browsers start no Worker from a file, so its script runs in a hidden frame. */
if (location.protocol === 'file:') {
  class IFrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.pending = [];
      this.onmessage = this.onerror = null;
      const frame = document.createElement('iframe');
      frame.hidden = true;
      document.body.appendChild(frame);
      this.inner = frame.contentWindow;
      this.inner.answer = (data) => {
        const event = new MessageEvent('message', {data});
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      this.inner.loaded = () => {
        this.isReady = true;
        this.pending.splice(0).forEach((data) => this.postMessage(data));
      };
      const page = this.inner.document;
      page.open();
      page.write(
        '<!doctype html><script>' +
          'var importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done) => {' +
          'const script = document.createElement("script"); script.src = url; script.onload = done;' +
          'document.body.appendChild(script); })), Promise.resolve());' +
          'window.postMessage = (data) => answer(data);' +
          '<\/script><body><script src="' + url + '" onload="loaded()"><\/script>'
      );
      page.close();
    }

    postMessage(data) {
      if (!this.isReady) {
        this.pending.push(data);
        return;
      }
      const event = new this.inner.MessageEvent('message', {data});
      this.inner.dispatchEvent(event);
    }

    terminate() {}
  }
  window.IFrameWorker = IFrameWorker;
  window.Worker = IFrameWorker;
}
