using System.Buffers.Binary;
using System.Text;

namespace Wake.Testing;

/// <summary>One field of a message in protobuf's wire format, which says of itself all that is needed to read
/// on.</summary>
public readonly record struct ProtobufField(int Number, ulong Value, ReadOnlyMemory<byte> Bytes)
{
    public string Text => Encoding.UTF8.GetString(Bytes.Span);

    public string Hex => Convert.ToHexStringLower(Bytes.Span);

    public double Real => BitConverter.UInt64BitsToDouble(Value);

    /// <summary>The fields of this one, which is a message.</summary>
    public IEnumerable<ProtobufField> Fields => In(Bytes);

    /// <summary>The fields with a number.</summary>
    public IEnumerable<ProtobufField> All(int number) => Fields.Where(x => x.Number == number);

    /// <summary>The last field with a number, or one of nothing.</summary>
    public ProtobufField One(int number) => Fields.LastOrDefault(x => x.Number == number);

    public static IEnumerable<ProtobufField> In(ReadOnlyMemory<byte> message)
    {
        for (var at = 0; at < message.Length; )
        {
            var tag = Varint(message, ref at);
            var number = (int)(tag >> 3);
            switch (tag & 7)
            {
                case 0:
                    yield return new(number, Varint(message, ref at), default);
                    break;
                case 1:
                    yield return new(number, BinaryPrimitives.ReadUInt64LittleEndian(message.Span[at..]), default);
                    at += 8;
                    break;
                case 2:
                    var length = (int)Varint(message, ref at);
                    yield return new(number, 0, message.Slice(at, length));
                    at += length;
                    break;
                case 5:
                    yield return new(number, BinaryPrimitives.ReadUInt32LittleEndian(message.Span[at..]), default);
                    at += 4;
                    break;
                default:
                    throw new InvalidDataException($"Wire type {tag & 7}.");
            }
        }
    }

    static ulong Varint(ReadOnlyMemory<byte> message, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var part = message.Span[at++];
            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80)
                return value;
        }
    }
}
