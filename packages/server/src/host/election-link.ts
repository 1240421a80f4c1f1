/** One connection between election ports, after its handshake: notifications in frames (quorum-protocol.md §2.4). */
import type { Socket } from 'node:net';
import { FrameLengthError, FrameReader, NOTIFICATION_BYTES_MAX } from '@treekeeper/protocol';

export interface ElectionLinkHandlers {
  onNotification(bytes: Uint8Array): void;
  /** Called once, unless it was closed by us. */
  onGone(reason: string | null): void;
}

/** More than these at once come from nobody who is electing: reading pauses then, and only the last of them count. */
const BURST_MAX = 100;
const BURST_PAUSE_MS = 100;

export class ElectionLink {
  readonly #socket: Socket;
  readonly #handlers: ElectionLinkHandlers;
  readonly #frames = new FrameReader(NOTIFICATION_BYTES_MAX);
  /** Waits until the one before has been taken by the system. */
  #queued: Uint8Array | null = null;
  #isWriting = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, handlers: ElectionLinkHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    let reason: string | null = null;
    socket.on('error', (error) => {
      reason = error.message;
    });
    socket.once('close', () => this.#gone(reason));
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  /** A notification that has not left yet is replaced. */
  send(notification: Uint8Array): void {
    this.#queued = notification;
    if (!this.#isWriting) {
      this.#write();
    }
  }

  /** Closes without a word to the handlers. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#socket.destroy();
  }

  #write(): void {
    const notification = this.#queued;
    if (notification === null || !this.#socket.writable) {
      return;
    }
    this.#queued = null;
    this.#isWriting = true;
    const frame = Buffer.allocUnsafe(4 + notification.length);
    frame.writeInt32BE(notification.length);
    frame.set(notification, 4);
    this.#socket.write(frame, () => {
      this.#isWriting = false;
      this.#write();
    });
  }

  #take(chunk: Buffer): void {
    const notifications: Uint8Array[] = [];
    try {
      this.#frames.push(chunk, (bytes, start, end) => {
        if (start === end) {
          throw new FrameLengthError(0, NOTIFICATION_BYTES_MAX);
        }
        notifications.push(Uint8Array.prototype.slice.call(bytes, start, end));
        return true;
      });
    } catch (error) {
      if (!(error instanceof FrameLengthError)) {
        throw error;
      }
      this.#socket.destroy();
      this.#gone(`it sent a notification of ${error.length} bytes`);
    }
    for (const notification of notifications.slice(-BURST_MAX)) {
      this.#handlers.onNotification(notification);
    }
    if (notifications.length > BURST_MAX) {
      this.#socket.pause();
      this.#timer = setTimeout(() => this.#socket.resume(), BURST_PAUSE_MS);
    }
  }

  #gone(reason: string | null): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      clearTimeout(this.#timer);
      this.#handlers.onGone(reason);
    }
  }
}
