using SgLang.Models.Experts;

namespace SgLang.Engine;

/// <summary>Rows of activations that a replica's expert ranks have sent and received by all-to-all since the start, over the ranks of each part and the stages of this node.</summary>
/// <param name="Sent">By each expert-parallel part, to itself too.</param>
/// <param name="Received">By each: what its experts have computed on.</param>
public sealed record ExchangedRows(long[] Sent, long[] Received)
{
    internal static ExchangedRows Of(IEnumerable<ExpertExchange> exchanges, int epSize)
    {
        ExchangedRows rows = new(new long[epSize], new long[epSize]);
        foreach (ExpertExchange exchange in exchanges)
        {
            rows.Sent[exchange.Rule.Part] += exchange.NumSent;
            rows.Received[exchange.Rule.Part] += exchange.NumReceived;
        }
        return rows;
    }
}
